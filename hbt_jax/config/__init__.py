"""Every option of every command, as frozen dataclasses; `hbt_jax/flags.py` makes one flag of each field.

Each dataclass is a part with one reason to change; a command takes several.  What two commands share stands in a part
that both inherit (shared.py, devices.py); the options of one command stand in the file of its name, training's also in
learning.py.  A field's help states its unit; limits are checked when a configuration is made, so an impossible value
ends the command before any model is loaded.  The rest of the package takes plain values or one of these dataclasses,
never flags.
"""
