"""Taskiq with its aio-pika broker."""
