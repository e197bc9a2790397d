"""paste-mcp: an MCP proxy that runs an agent's likely next read-only calls while the model still thinks.

The map of the house; imports point from top to bottom:

    cli         the verbs
    curate      looking after patterns
    app         from a config file to running objects
    proxy       async and thin: carries bytes and carries out commands; `proxy/call.py` is the life of a tool call
    lab         demonstrations and measurements
    store       files: patterns, sessions of the past, what was learnt, what servers offer
    config      the config file
    core        pure: what comes next (`prediction`), is it safe and is it worth it (`speculation`), and one session's
                state (`engine`)
"""

__version__ = "0.1.0"
