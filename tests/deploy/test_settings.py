from deploy.settings.generate import main, table
from worker.settings.config import variables


def test_the_table_of_the_settings_is_as_the_settings_are() -> None:
    assert main(["--check"]) == 0, "run: python -m deploy.settings.generate"


def test_the_table_names_every_setting_and_what_it_may_be() -> None:
    rows = table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [*variables(), "SESSION_STORE_SECRETS_DIR"]
    assert "| `SESSION_STORE_POOL_SIZE` | 10 | 3 to 1000 | most connections" in table()
