"""A modern host and legacy servers: what a server asks in the middle of a call becomes an `input_required` result.

The call itself stays under way at the server: it is parked, and the host's next request, which brings the answers,
takes it up again. It is never sent twice. So a bridged call runs in a task of its own, of which the host's requests
see one stretch each:

    host      tools/call ---> input_required        tools/call with answers ---> result
    proxy     call begins ----> | parked ...........| resumed -----------------> | call ends
    server            asks ---> |                   | <--- is answered

`requestState` is a random token, good for one continuation of the very same request. A parked call that nobody takes
up is cancelled at the server, as is one whose host goes away.
"""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup
from mcp_types import CONNECTION_CLOSED, INVALID_PARAMS, INVALID_REQUEST, URL_ELICITATION_REQUIRED

from paste_mcp.proxy.questions import WAIT_S, missing, refused, unanswered
from paste_mcp.proxy.sdk import MCPError, Request

logger = logging.getLogger("paste_mcp")

MAX_PARKED = 64
"""Calls of one session that may wait for their hosts at a time; what further ones ask counts as not answered."""
GATHER_S = 0.02
"""Questions that a server asks at once are asked of the host at once: so long they are waited for."""
VISIT_S = 30.0
"""How long a call waits for the user's visit to a page to be over, before it is made again."""
MAX_VISITS = 10
EARLY_S = 60.0
"""How long a question that belongs to no call waits for one."""
_CONTINUATION = frozenset({"inputResponses", "requestState"})

Answer = dict[str, Any]
Work = Callable[[], Awaitable[dict[str, Any]]]


@dataclass(slots=True, eq=False)
class _Question:
    """What a server asked. Settled with an answer, or with None where the call it was asked in came to its end."""

    method: str
    params: dict[str, Any]
    settled: anyio.Event = field(default_factory=anyio.Event)
    answer: Answer | None = None
    refused: bool = False

    def settle(self, answer: Answer | None) -> None:
        self.answer = answer
        self.settled.set()


class _Call:
    """One call at a server, over as many requests of the host as it takes."""

    def __init__(self, request: Request) -> None:
        self.request = request
        """The host's request that waits for it, or waited last. Whoever holds it reaches the host's latest one."""
        self.scope = anyio.CancelScope()
        self.open: dict[str, _Question] = {}
        self.news = anyio.Event()
        """Set when there is something for the host: a question or the end."""
        self.ended = anyio.Event()
        self.result: dict[str, Any] | None = None
        self.error: Exception = MCPError(CONNECTION_CLOSED, "the session ended")
        self._asked = 0
        self._fetched = anyio.Event()

    async def run(self, work: Work) -> None:
        """Carry the call out, and keep its outcome until the host comes for it or its time is over."""
        try:
            with self.scope:
                # Its host may be gone already, and then nothing may be sent.
                await anyio.lowlevel.checkpoint_if_cancelled()
                try:
                    self.result = await work()
                except Exception as error:
                    self.error = error
                self._end()
                await self._fetched.wait()
        finally:
            self._end()

    def _end(self) -> None:
        for key in list(self.open):
            self.settle(key, None)
        self.ended.set()
        self.news.set()

    def fetch(self) -> dict[str, Any]:
        self._fetched.set()
        if self.result is None:
            raise self.error
        return self.result

    async def ask(self, question: _Question) -> None:
        """Put the question to the host, and wait until it is settled."""
        self._asked += 1
        key = f"question-{self._asked}"
        self.open[key] = question
        self.news.set()
        try:
            await question.settled.wait()
        finally:
            self.open.pop(key, None)  # A server may take its question back.

    def settle(self, key: str, answer: Answer | None) -> None:
        if question := self.open.pop(key, None):
            question.settle(answer)

    def may_be_asked(self, question: _Question) -> bool:
        return missing(self.request.capabilities, question.method, question.params) is None

    def continues_as(self, request: Request) -> bool:
        """Whether `request` is the one that this call answers, apart from what a continuation adds."""
        return request.method == self.request.method and _plain(request.params) == _plain(self.request.params)


def _plain(params: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in params.items() if key not in _CONTINUATION and key != "_meta"}


class Bridge:
    """The bridged calls of one session. `shared`: by hosts that cannot be told apart, as sessions without an identity
    are; then a question that might be about the call of either is asked of none.
    """

    def __init__(self, tasks: TaskGroup, *, shared: bool) -> None:
        self._tasks = tasks
        self._shared = shared
        self._calls: dict[Request, _Call] = {}
        self._parked: dict[str, _Call] = {}
        self._visiting: dict[str, anyio.Event] = {}
        self.early: dict[str, list[_Question]] = {}
        """By server: what was asked before there was a call to ask it in."""

    # --- the host's side --------------------------------------------------------------------------------------------

    async def answer(self, request: Request, work: Work, *, own_state: bool) -> dict[str, Any]:
        """The result of `work()`, or an interim one with what a server asks meanwhile.

        `own_state` is True where a `requestState` can only be one of ours; elsewhere a server may have made it.
        """
        state = request.params.get("requestState")
        if isinstance(state, str) and (parked := self._parked.get(state)) is not None:
            call = self._resume(state, parked, request)
        elif own_state and not _CONTINUATION.isdisjoint(request.params):
            # Made anew, the call might do twice what it did already.
            raise MCPError(INVALID_PARAMS, "requestState is unknown or has expired: the call is no longer waiting")
        else:
            call = self._calls[request] = _Call(request)
            self._tasks.start_soon(self._run, call, work)
        try:
            return await self._stretch(call)
        except anyio.get_cancelled_exc_class():
            call.scope.cancel()
            raise

    async def _run(self, call: _Call, work: Work) -> None:
        try:
            await call.run(partial(self._after_visits, call, work))
        finally:
            del self._calls[call.request]
            for state in [state for state, parked in self._parked.items() if parked is call]:
                logger.info("%s was given up: its host did not come back with an answer", call.request.method)
                del self._parked[state]

    def _resume(self, state: str, call: _Call, request: Request) -> _Call:
        if not call.continues_as(request):
            raise MCPError(INVALID_PARAMS, "requestState belongs to another request")
        del self._parked[state]
        call.scope.deadline = math.inf
        call.request.continue_as(request)
        answers = request.params.get("inputResponses")
        for key, answer in (answers if isinstance(answers, dict) else {}).items():
            if isinstance(answer, dict):
                call.settle(key, answer)
        if not call.open and not call.ended.is_set():
            call.news = anyio.Event()
        return call

    async def _stretch(self, call: _Call) -> dict[str, Any]:
        """Wait for what the host is to hear next of this call."""
        while True:
            await call.news.wait()
            with anyio.move_on_after(GATHER_S):
                await call.ended.wait()
            if call.ended.is_set():
                return call.fetch()
            if call.open and len(self._parked) < MAX_PARKED:
                return self._park(call)
            for question in list(call.open.values()):
                question.refused = True
                question.settle(None)
            call.news = anyio.Event()

    def _park(self, call: _Call) -> dict[str, Any]:
        state = secrets.token_urlsafe(24)
        self._parked[state] = call
        call.scope.deadline = anyio.current_time() + WAIT_S
        asked = {key: {"method": asked.method, "params": asked.params} for key, asked in call.open.items()}
        return {"resultType": "input_required", "inputRequests": asked, "requestState": state}

    # --- pages that a user has to visit ---------------------------------------------------------------------------

    async def _after_visits(self, call: _Call, work: Work) -> dict[str, Any]:
        """The result of `work()`. A server may refuse a call until the user has visited a page, and then wants it made
        again: the newer protocol has no such refusal, and asks instead.
        """
        for _ in range(MAX_VISITS):
            try:
                return await work()
            except MCPError as error:
                if error.code != URL_ELICITATION_REQUIRED or not await self._visits(call, error.data):
                    raise
        return await work()

    async def _visits(self, call: _Call, data: Any) -> bool:
        """Whether the user agreed to visit these pages; they are waited for, for a while."""
        pages = data.get("elicitations") if isinstance(data, dict) else None
        if not isinstance(pages, list) or not pages or not all(isinstance(page, dict) for page in pages):
            return False
        questions = [_Question("elicitation/create", {"mode": "url", **page}) for page in pages]
        if not all(call.may_be_asked(question) for question in questions):
            return False
        visits = {str(page.get("elicitationId")): anyio.Event() for page in pages}
        self._visiting |= visits
        try:
            async with anyio.create_task_group() as asking:
                for question in questions:
                    asking.start_soon(call.ask, question)
            if any((question.answer or {}).get("action") != "accept" for question in questions):
                return False
            with anyio.move_on_after(VISIT_S):
                for visit in visits.values():
                    await visit.wait()
            return True
        finally:
            for id in visits:
                self._visiting.pop(id, None)

    def visited(self, params: dict[str, Any] | None) -> None:
        """A server says that the user is done with a page."""
        if visit := self._visiting.get(str((params or {}).get("elicitationId"))):
            visit.set()

    # --- the servers' side ------------------------------------------------------------------------------------------

    async def ask(self, alias: str, method: str, params: dict[str, Any], active: list[Request]) -> dict[str, Any]:
        """The host's answer to what a server asks. `active` are the host's requests under way there, kept up to date.

        Raises `MCPError` where nobody can be asked.
        """
        question = _Question(method, _without_token(params))
        asked = False
        while question.answer is None and not question.refused:
            question.settled = anyio.Event()
            if (call := self._whom(question, active)) is not None:
                # It waits as long as the call does, and then for another that may be the one.
                asked = True
                await call.ask(question)
            elif method == "roots/list" and not active and not self._shared:
                if not await self._keep(alias, question):
                    break
            elif asked:
                break
            else:
                raise self._refusal(question, active)
        return question.answer if question.answer is not None else unanswered(method)

    def _whom(self, question: _Question, active: list[Request]) -> _Call | None:
        """The call to ask in. A server does not say which one it asks for, so with several it may be any of them: the
        answer reaches the server all the same. One that the host waits for comes first, as it is asked at once.
        """
        if self._shared and len(active) > 1:
            return None
        calls = [call for request in active if (call := self._calls.get(request)) and call.may_be_asked(question)]
        waiting = [call for call in calls if call not in self._parked.values()]
        unasked = [call for call in waiting if not call.open]
        return next(iter(unasked or waiting or calls), None)

    def _refusal(self, question: _Question, active: list[Request]) -> MCPError:
        if self._shared and len(active) > 1:
            return MCPError(INVALID_REQUEST, "several requests are under way, and it is not known which this is about")
        for request in active:
            if required := missing(request.capabilities, question.method, question.params):
                return refused(question.method, required)
        return MCPError(INVALID_REQUEST, f"no request is under way that {question.method} could belong to")

    async def _keep(self, alias: str, question: _Question) -> bool:
        """Servers ask for roots when they start, and a modern host can be asked in a call only. Whether one came."""
        kept = self.early.setdefault(alias, [])
        kept.append(question)
        try:
            with anyio.move_on_after(EARLY_S):
                await question.settled.wait()
            return question.settled.is_set()
        finally:
            if question in kept:
                kept.remove(question)

    async def ask_early(self, alias: str, request: Request) -> None:
        """Before this request goes to the server: have the host asked what the server wanted to know before."""
        call = self._calls.get(request)
        if call is None or self._shared:
            return
        kept = self.early.pop(alias, [])
        for question in list(kept):
            if call.may_be_asked(question):
                await call.ask(question)
            else:
                question.settle(None)
        # The answer is on its way by another task; the call may depend on it, and goes after it.
        await anyio.sleep(GATHER_S)


def _without_token(params: dict[str, Any]) -> dict[str, Any]:
    """Params without the server's progress token: no progress is told of a question."""
    meta = params.get("_meta")
    if not isinstance(meta, dict) or "progressToken" not in meta:
        return params
    kept = {key: value for key, value in meta.items() if key != "progressToken"}
    bare = {key: value for key, value in params.items() if key != "_meta"}
    return {**bare, "_meta": kept} if kept else bare
