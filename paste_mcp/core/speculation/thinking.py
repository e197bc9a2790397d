"""How long the agent of one session thinks between a turn's last answer and its next call. Seconds."""

from __future__ import annotations

from paste_mcp.core.speculation.rolling import Rolling


class Thinking:
    """Begins with what the agents of all sessions did lately, and adds to that."""

    def __init__(self, overall: Rolling) -> None:
        self.lead = overall.copy()
        self._overall = overall
        self._since: float | None = None

    def begins(self, now: float) -> None:
        self._since = now

    def ends(self, now: float) -> None:
        """The agent asks for something."""
        if self._since is not None:
            self.lead.observe(now - self._since)
            self._overall.observe(now - self._since)

    def left_s(self, now: float) -> float:
        """How much longer it will think this time, if it does as usual."""
        return max(0.0, self.lead.value - (now - self._since if self._since is not None else 0.0))
