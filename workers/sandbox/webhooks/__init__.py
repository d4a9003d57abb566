"""The sandbox of a receiving side: takes canonical documents signed by Standard Webhooks."""
