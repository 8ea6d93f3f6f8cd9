"""From a config to its data, its module and its Trainer."""
