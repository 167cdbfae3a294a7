"""Rate limits of models as all workers of an installation have met them, in Redis.

Reached by the model book through the protocol of `llm/quota.py`, whose account this keeps in
a script, by Redis' own clock. What is written here goes away by itself.
"""

from typing import Any, Final

from nexus.events.redis_link import RedisLink

START: Final = """
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
local row = redis.call('HMGET', KEYS[1], 'until', 'start', 'used', 'quota', 'window', 'denied')
for i = 1, 6 do row[i] = tonumber(row[i] or 0) end
local closed, start, used, quota, window, denied = unpack(row)
local function keep()
  redis.call('HSET', KEYS[1], 'until', closed, 'start', start, 'used', used, 'quota', quota,
    'window', window, 'denied', denied)
  redis.call('PEXPIRE', KEYS[1], 60000 + window + math.max(0, closed - now))
end
"""
ADMIT: Final = (
    START
    + """
local count = tonumber(ARGV[1])
local granted, wait = 0, closed - now
if wait <= 0 then
  if quota == 0 then
    if now - start > 60000 then start, used = now, 0 end
    granted, wait = count, 0
  else
    if now >= start + window then
      if used >= quota or start == 0 then quota = quota + 1 + math.floor(quota / 20) end
      start, used, denied = now, 0, 0
    end
    granted = math.max(0, math.min(count, quota - used))
    wait = start + window - now
  end
  used = used + granted
end
local before = denied
denied = denied + count - granted
keep()
return {granted, wait, before, quota, window}
"""
)
REFUSE: Final = (
    START
    + """
local ms = tonumber(ARGV[1])
if now < closed then
  quota = math.max(1, quota - 1)
  closed = math.max(closed, now + ms)
else
  local passed = used - 1
  window = math.max(ms, 1000)
  if quota == 0 and now - start > window then passed = passed * window / (now - start) end
  quota = math.max(1, math.floor(passed))
  closed = now + ms
  start, used, denied = 0, 0, 0
end
keep()
return 0
"""
)


class RateBoard:
    """One installation's board; every method raises ServiceMissing when Redis is away."""

    def __init__(self, redis: RedisLink, installation_id: str) -> None:
        self._redis = redis
        self._prefix = f"{installation_id}:limit:"

    async def admit(self, model: str, count: int) -> tuple[float, ...]:
        """Say for each of `count` requests in how many seconds to ask again; 0: it may be sent."""
        granted, wait, before, quota, window = await self._run(ADMIT, model, count)
        places = range(before, before + count - granted)
        later = (wait + place // max(1, quota) * window for place in places)
        return (0.0,) * int(granted) + tuple(float(ms) / 1_000 for ms in later)

    async def refuse(self, model: str, seconds: float) -> None:
        """Note that a server refused a request for so long."""
        await self._run(REFUSE, model, int(seconds * 1_000))

    async def _run(self, script: str, model: str, argument: int) -> Any:
        async with self._redis.using() as client:
            return await client.register_script(script)(
                keys=[self._prefix + model], args=[argument]
            )
