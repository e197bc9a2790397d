"""What a pattern is: the language, the value-mapping functions, values out of results, and the pool.

Read `language.py` first (the tuple and its written form), then `mapping.py` (from a matched context to arguments),
then `pool.py` (found by context). The rest are their parts: `sources` and `reader` (what an argument may come from),
`paths`, `lines`, `typed` and `extract` (values out of JSON and text), `columns`, `siblings` and `past`.
Nothing here asks what comes next, what is safe, or what is worth it.
"""
