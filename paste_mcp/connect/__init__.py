"""Moves a client's servers behind the proxy, and back.

clients   the table: where each client keeps its servers, and what is peculiar about it
sites     the files of this machine that the table leads to
jsonc     servers taken out of JSON and put into it, as text, so that comments and layout stay
toml      the same for TOML
moving    which servers can move, and what they become in a config file of ours
launcher  how a client is to start this paste-mcp
edit      a client's file changed, and read again before it is believed
plan      all of a connection, decided before anything is written
journal   what was done, kept so that it can be undone
undo      the way back
show      what the user sees of it, without secrets
"""
