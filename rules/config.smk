"""Which configuration a run takes when none is named on the command line."""


def default_config_file() -> str:
    """The one in the working directory, else, in a run in another `--directory`, the shipped one."""
    name = "config/config.yaml"
    return name if os.path.exists(name) else os.path.join(workflow.basedir, name)
