"""What speculation did for this user, from his own records.

waiting   turns of a session: how long the agent waited, would have waited, and could have at best (the oracle)
rows      counts by session, server, tool or pattern
savings   hours and money of a team, every assumption visible
arms      two arms compared, with confidence intervals
gather    all of it in one structure, from which tables, HTML and JSON are made
tables    on the terminal
timeline  one session as SVG
page      a self-contained HTML report
"""
