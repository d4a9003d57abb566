"""Shopify: webhooks of a shop, signed over the body with the app's secret."""

from adapters.channels.shopify.channel import Shopify

__all__ = ["Shopify"]
