"""What the sandboxes of OData services share: admission with a queue, faults, batches, the log, the token address."""
