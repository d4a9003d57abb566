"""The open target: any HTTPS endpoint that takes canonical documents signed by Standard Webhooks."""
