"""What is raised where a setting, a folder or the data breaks its rule."""


class ConfigurationError(ValueError):
    """A setting breaks its rule; the message is one sentence a user can act on."""
