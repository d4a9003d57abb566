"""Dataverse: sales orders over the Web API, keyed by an alternate key that Dataverse itself keeps unique."""
