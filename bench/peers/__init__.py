"""The same job done by other task queues, each tuned as its documentation advises, to measure beside."""
