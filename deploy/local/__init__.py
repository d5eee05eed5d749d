"""Private PostgreSQL and RabbitMQ servers for a first run and for the tests; the standard library only."""
