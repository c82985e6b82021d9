"""The command line, for people and for scripts: `hil NOUN VERB`. It speaks to HIL through `hil.client` only."""
