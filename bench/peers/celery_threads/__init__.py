"""Plain Celery on its thread pool."""
