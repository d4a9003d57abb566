"""Private services: a RabbitMQ, a Redis and a PostgreSQL of our own, on loopback, in one folder, gone when we are."""
