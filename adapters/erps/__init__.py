"""ERPs: systems that take documents."""
