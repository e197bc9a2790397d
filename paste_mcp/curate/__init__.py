"""Looking after patterns: those the user wrote, those that come with paste-mcp, and those that were learnt.

`collection.py` knows them all and where each comes from; `changes.py` turns them on and off, forgets and takes over;
`editor.py` lets the user edit; `show.py` shows.
"""
