import paste_mcp.core.speculation.queueing as q

o = q.Queueing.learn


def learn(self, run, usual, now):
    o(self, run, usual, now)
    print(
        "LEARN",
        run.tool,
        run.guess,
        run.began,
        run.free_at,
        now,
        "usual",
        usual,
        "behind",
        run.behind_s,
        "ahead",
        len(run.ahead),
        "->",
        self._serial.score,
        self._deaf.score,
    )


q.Queueing.learn = learn
