"""The users, permissions and settings of an installation's broker."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from contracts.access import ENGINE, EVENTS_VHOST, RPC_VHOST, USERS, WORKER, permissions_in
from contracts.topology import Topology
from deploy.local.ports import LOOPBACK, choose_port
from deploy.local.rabbitmq import RabbitServer
from deploy.rabbitmq.installation import PAGE, main
from deploy.rabbitmq.users import main as print_users

SETTINGS = PAGE.parent / "rabbitmq.conf"


def test_the_file_is_as_its_source_says() -> None:
    assert main(["--check"]) == 0, "run: python -m deploy.rabbitmq.installation"


def test_it_has_no_password_and_no_user() -> None:
    assert "users" not in json.loads(PAGE.read_text())
    assert "password" not in PAGE.read_text()


def test_users_are_printed_with_hashes_and_limits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / WORKER).write_text("the password\n")
    assert print_users([str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    (user,) = json.loads(printed)["users"]
    assert user["name"] == WORKER
    assert user["limits"]["max-connections"] > 0
    assert "the password" not in printed


def test_users_without_passwords_are_an_error_that_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert print_users([]) == print_users([str(tmp_path)]) == 64
    complaint = capsys.readouterr().err
    assert all(user.name in complaint for user in USERS)
    (tmp_path / WORKER).write_text("\n")
    with pytest.raises(ValueError, match="is empty"):
        print_users([str(tmp_path)])


def test_a_prefix_is_taken_as_it_is_written() -> None:
    may = permissions_in(EVENTS_VHOST, Topology("eu."))[WORKER]
    assert "eu[.]sessions[.]dead" in may.write
    assert "eu[.]session[.]write" in may.read
    engine = permissions_in(EVENTS_VHOST, Topology("eu."))[ENGINE]
    assert engine.configure == engine.read.partition("|^")[0]
    for name in ("session.reply.1", "eu.session.reply.1", "session.changes.1", "eu.session.changes.1"):
        assert re.search(engine.configure, name), name
    assert not re.search(engine.configure, "eu.session.write")
    assert "session_store_engine" not in permissions_in(RPC_VHOST, Topology())


class Configured(RabbitServer):
    """A node with the advised settings, except paths, ports, and an added plain listener for the test."""

    def _prepare(self) -> None:
        super()._prepare()
        for name in ("ca", "cert", "key"):
            assert (self.directory / f"{name}.pem").exists()
        advised = SETTINGS.read_text().replace("/etc/rabbitmq/", f"{self.directory}/")
        text = advised.replace("listeners.tcp = none", f"listeners.tcp.1 = {LOOPBACK}:{self.port}")
        text = text.replace("ssl.default = 5671", f"ssl.default = {LOOPBACK}:{choose_port()}")
        (self.directory / "rabbitmq.conf").write_text(text.replace("relative = 1.0", "relative = 0.001"))


@pytest.fixture
def configured(slot: Path) -> Iterator[Configured]:
    directory = slot / "rabbitmq-configured"
    directory.mkdir()
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(directory / "cert.pem"))
    certificate.private_key_pem.write_to_path(str(directory / "key.pem"))
    node = Configured(directory)
    try:
        node.start()
        yield node
    finally:
        node.erase()


def test_rabbitmq_starts_with_the_advised_settings(configured: Configured) -> None:
    told = configured.ctl("eval", "application:get_all_env(rabbit).")
    for setting in ("{max_message_size,4194304}", "{channel_max,64}", "{fail_if_no_peer_cert,true}"):
        assert setting in told
