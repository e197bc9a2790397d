"""What the relay needs of a dispatcher, held by the SDK's and by the one over plain lines alike."""

import asyncio
import os
import socket
from contextlib import asynccontextmanager

import anyio
import pytest
import uvicorn
from mcp import MCPError
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.memory import create_client_server_memory_streams

from paste_mcp.proxy.lines import LineDispatcher
from paste_mcp.proxy.pipes import BytePipe
from paste_mcp.proxy.posts import http_dispatcher

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@asynccontextmanager
async def sdk_pair():
    async with create_client_server_memory_streams() as (near, far):
        yield JSONRPCDispatcher(*near), JSONRPCDispatcher(*far)


@asynccontextmanager
async def line_pair():
    pipes = [os.pipe(), os.pipe()]
    near = await BytePipe.over(os.fdopen(pipes[0][0], "rb", 0), os.fdopen(pipes[1][1], "wb", 0))
    far = await BytePipe.over(os.fdopen(pipes[1][0], "rb", 0), os.fdopen(pipes[0][1], "wb", 0))
    try:
        yield LineDispatcher(near), LineDispatcher(far)
    finally:
        near.close()
        far.close()
        await asyncio.sleep(0)  # the event loop closes the files in its next turn


@asynccontextmanager
async def listening(app):
    """The port at which this ASGI application is served."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def http_pair():
    """The near side asks by POSTs; the far one is the SDK's, and answers by streams of events."""
    transport = StreamableHTTPServerTransport(mcp_session_id=None)

    async def app(scope, receive, send):
        await transport.handle_request(scope, receive, send)

    async with transport.connect() as far, listening(app) as port:
        async with http_dispatcher(f"http://127.0.0.1:{port}/", {}) as near:
            yield near, JSONRPCDispatcher(*far)
        await transport.terminate()


@pytest.fixture(params=[sdk_pair, line_pair, http_pair], ids=["sdk", "lines", "http"])
def pair(request):
    return request.param


async def unexpected(context, method, params):
    raise AssertionError(method)


@asynccontextmanager
async def running(pair, on_request=unexpected, on_notify=unexpected, near_request=unexpected, near_notify=unexpected):
    async with pair() as (near, far), anyio.create_task_group() as tasks:
        with anyio.fail_after(10):
            await tasks.start(far.run, on_request, on_notify)
            await tasks.start(near.run, near_request, near_notify)
            yield near
        tasks.cancel_scope.cancel()


async def echo(context, method, params):
    return {"method": method, "params": dict(params or {})}


@pytest.mark.parametrize("params", [{"a": [1, 2.5, None, True, "é\u2028"]}, {"big": 2**60}, {"deep": [[[{}]]]}])
async def test_a_request_is_answered_with_what_the_other_side_returned(pair, params):
    async with running(pair, echo) as near:
        assert await near.send_raw_request("m", params) == {"method": "m", "params": params}


async def test_many_requests_at_once_each_get_their_own_answer(pair):
    release = anyio.Event()
    waiting = []

    async def slow(context, method, params):
        waiting.append(params["n"])
        if len(waiting) == 50:
            release.set()
        await release.wait()
        return {"n": params["n"]}

    answers = {}
    async with running(pair, slow) as near:

        async def ask(n):
            answers[n] = (await near.send_raw_request("m", {"n": n}))["n"]

        async with anyio.create_task_group() as tasks:
            for n in range(50):
                tasks.start_soon(ask, n)
    assert answers == {n: n for n in range(50)}


async def test_an_error_keeps_code_message_and_data(pair):
    async def fail(context, method, params):
        raise MCPError(-32050, "custom", {"k": [1, None]})

    async with running(pair, fail) as near:
        with pytest.raises(MCPError) as caught:
            await near.send_raw_request("m", {})
    assert (caught.value.code, caught.value.message, caught.value.data) == (-32050, "custom", {"k": [1, None]})


async def test_giving_up_a_request_cancels_it_on_the_other_side_and_nothing_is_answered(pair):
    began, ended = anyio.Event(), anyio.Event()

    async def forever(context, method, params):
        if method == "ping":
            return {}
        began.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    async def nothing(context, method, params):
        return None

    async with running(pair, forever, nothing) as near:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(near.send_raw_request, "m", {})
            await began.wait()
            tasks.cancel_scope.cancel()
        await ended.wait()
        assert await near.send_raw_request("ping", {}) == {}


async def test_a_request_that_takes_too_long_times_out(pair):
    async def forever(context, method, params):
        await anyio.sleep_forever()

    async def nothing(context, method, params):
        return None

    async with running(pair, forever, nothing) as near:
        with pytest.raises(MCPError) as caught:
            await near.send_raw_request("m", {}, {"timeout": 0.01})
    assert caught.value.code == -32001


async def test_progress_reaches_the_caller_of_that_request_only(pair):
    async def work(context, method, params):
        await context.progress(1, 2, "half")
        return {}

    heard = anyio.Event()
    seen = []

    async def on_progress(progress, total, message):
        seen.append((progress, total, message))
        heard.set()

    async def nothing(context, method, params):
        return None

    async with running(pair, work, near_notify=nothing) as near:
        await near.send_raw_request("m", {}, {"on_progress": on_progress})
        await heard.wait()
        await near.send_raw_request("m", {})
    assert seen == [(1, 2, "half")]


async def test_the_other_side_may_ask_back_while_it_answers(pair):
    async def ask_back(context, method, params):
        return {"told": await context.send_raw_request("who", {"are": "you"})}

    async with running(pair, ask_back, near_request=echo) as near:
        assert await near.send_raw_request("m", {}) == {"told": {"method": "who", "params": {"are": "you"}}}


async def test_notifications_arrive_with_their_parameters(pair):
    heard = []
    done = anyio.Event()

    async def on_notify(context, method, params):
        heard.append((method, params))
        if len(heard) == 2:
            done.set()

    async with running(pair, on_notify=on_notify) as near:
        await near.notify("notifications/a", {"x": 1})
        await near.notify("notifications/b", None)
        await done.wait()
    assert sorted(heard, key=str) == [("notifications/a", {"x": 1}), ("notifications/b", None)]


async def test_a_notification_handler_that_fails_harms_nobody(pair, caplog):
    async def fail(context, method, params):
        raise RuntimeError("oops")

    async with running(pair, echo, fail) as near:
        await near.notify("notifications/a", None)
        assert (await near.send_raw_request("m", {}))["method"] == "m"


async def test_requests_under_way_when_the_connection_ends_are_told_so():
    for make in (sdk_pair, line_pair):
        began = anyio.Event()

        async def forever(context, method, params, began=began):
            began.set()
            await anyio.sleep_forever()

        async with make() as (near, far), anyio.create_task_group() as tasks:
            caught = []

            async def ask(near=near, caught=caught):
                try:
                    await near.send_raw_request("m", {})
                except MCPError as error:
                    caught.append(error.code)

            with anyio.fail_after(10):
                far_scope = anyio.CancelScope()

                async def serve(*, task_status, far=far, far_scope=far_scope, handler=forever):
                    with far_scope:
                        await far.run(handler, unexpected, task_status=task_status)

                await tasks.start(serve)
                await tasks.start(near.run, unexpected, unexpected)
                async with anyio.create_task_group() as asking:
                    asking.start_soon(ask)
                    await began.wait()
                    far_scope.cancel()
                    if make is line_pair:
                        far._pipe.close_writing()
            assert caught == [-32000]
            tasks.cancel_scope.cancel()


async def test_an_intercept_hears_notifications_in_order_and_may_keep_them(pair):
    taken, heard = [], anyio.Event()

    def intercept(method, params):
        taken.append(method)
        return method != "notifications/last"

    async def on_notify(context, method, params):
        assert method == "notifications/last"
        heard.set()

    async with pair() as (near, far), anyio.create_task_group() as tasks:
        with anyio.fail_after(10):
            await tasks.start(far.run, unexpected, on_notify, intercept)
            await tasks.start(near.run, unexpected, unexpected)
            for n in range(5):
                await near.notify(f"notifications/{n}", None)
            await near.notify("notifications/last", None)
            await heard.wait()
        tasks.cancel_scope.cancel()
    assert taken == [*(f"notifications/{n}" for n in range(5)), "notifications/last"]
