"""Runs the fetching of messages: the bootstep that takes the place of Celery's own prefetching consumer."""
