import asyncio

from worker.ingest.write_path import SettleOrder


async def test_a_batch_that_is_cancelled_while_it_waits_leaves_the_batch_before_to_settle() -> None:
    loop = asyncio.get_running_loop()
    first: asyncio.Future[bool] = loop.create_future()
    order = SettleOrder(first, loop.create_future())
    waiting = asyncio.create_task(order.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait((waiting,))
    first.set_result(True)
    assert waiting.cancelled()
    assert await order.wait()
