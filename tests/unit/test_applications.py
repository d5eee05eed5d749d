"""The applications of a RabbitMQ node are those that its own use, one by one, and no plugin."""

from pathlib import Path

import pytest

from deploy.local.applications import link_applications


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """Return a directory as RabbitMQ's packages lay it out."""
    place = tmp_path / "plugins"
    _add(place, "rabbit-3.10.8", "kernel,stdlib,\n  rabbit_common, ra")
    _add(place, "rabbitmq_prelaunch-3.10.8", "kernel,rabbit_common")
    _add(place, "rabbit_common-3.10.8", "kernel,jsx")
    _add(place, "ra-2.2.0", "kernel,rabbit")
    _add(place, "jsx-3.1.0", "")
    _add(place, "rabbitmq_management-3.10.8", "kernel,rabbit,jsx")
    (place / "README").touch()
    return place


def _add(plugins: Path, directory: str, used: str) -> None:
    ebin = plugins / directory / "ebin"
    ebin.mkdir(parents=True)
    name = directory.partition("-")[0]
    (ebin / f"{name}.app").write_text(f"{{application, '{name}', [\n\t{{applications, [{used}]}}\n]}}.\n")


def test_a_node_gets_what_its_applications_use_and_no_plugin(plugins: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    assert link_applications(plugins, links)
    assert {link.name: link.readlink() for link in links.iterdir()} == {
        name: plugins / name
        for name in (
            "rabbit-3.10.8",
            "rabbitmq_prelaunch-3.10.8",
            "rabbit_common-3.10.8",
            "ra-2.2.0",
            "jsx-3.1.0",
        )
    }


def test_links_of_another_version_are_gone(plugins: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    (links / "rabbit-3.9.0").symlink_to(tmp_path / "nowhere")
    assert link_applications(plugins, links)
    assert not (links / "rabbit-3.9.0").is_symlink()


@pytest.mark.parametrize("missing", ["rabbit", "rabbitmq_prelaunch"])
def test_another_layout_is_left_as_it_is(plugins: Path, tmp_path: Path, missing: str) -> None:
    (plugins / f"{missing}-3.10.8").rename(tmp_path / "elsewhere")
    assert not link_applications(plugins, tmp_path / "links")
    assert not (tmp_path / "links").exists()
    assert not link_applications(tmp_path / "no-such-directory", tmp_path / "links")
