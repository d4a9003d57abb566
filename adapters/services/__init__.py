"""Outgoing services: systems that are told canonical documents, and are no ERP."""
