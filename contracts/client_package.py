"""Sessions of an engine, stored through RabbitMQ: the Python client of session-store.

In the distribution session-store-client this module is `session_store_client/__init__.py`.
"""

from .client import *  # noqa: F403 - all its public names
from .client import __all__ as __all__
