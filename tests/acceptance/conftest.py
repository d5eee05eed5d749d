from tests.integration.conftest import connection

__all__ = ["connection"]
