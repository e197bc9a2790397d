"""What a proxy costs: `paste-mcp bench overhead`.

Its parts, in the order in which they are best read:

    echo, echo_sdk   servers behind the proxies: one that is nearly free, one on the SDK
    floor            the least that a relay can do: what any proxy in Python pays
    wires, host      the bench's own host, cheap enough not to hide what it measures
    subjects, peers  what is measured, and the command that starts it
    processes        one of them as a process: its CPU time, its memory, its end
    running          one of them under way, greeted and ready to be called
    rounds           the measurement: everything in turn, again and again
    figures, tables  medians and ratios; for programs and for people
    run              the whole, from what was asked for to what is shown
"""
