from tests.integration.conftest import connection
from tests.support.programs.installation import executed_workers

__all__ = ["connection", "executed_workers"]
