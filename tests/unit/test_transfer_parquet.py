import sys
from pathlib import Path

import pytest

from worker.errors import ConfigurationError
from worker.transfer.parquet import ParquetTarget


def test_parquet_without_its_library_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'session-store\[parquet\]'"):
        ParquetTarget(tmp_path / "a.parquet")
