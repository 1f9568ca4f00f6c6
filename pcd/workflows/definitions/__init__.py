"""The built-in workflows, one TOML file each; all of them are off until somebody switches them on."""
