"""`python -m paste_mcp`."""

from paste_mcp.cli import main

if __name__ == "__main__":
    main()
