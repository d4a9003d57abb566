"""The sandbox of Business Central: API v2.0 of one company, with its limits, transactions and posting."""
