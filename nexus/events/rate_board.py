"""Rate limits of models as all workers of an installation have met them, in Redis.

Reached by the model book through the protocol `Board`; keeps the account of `llm/quota.py` in a
script, by Redis' own clock. What is written here goes away by itself.
"""

from typing import Any, Final

from nexus.domain.rates import Admission
from nexus.events.redis_link import RedisLink

FURTHEST: Final = 8
START: Final = """
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
local names = {'until', 'start', 'used', 'most', 'window', 'denied', 'recent_from', 'recent',
  'step', 'rest', 'patience'}
local row = redis.call('HMGET', KEYS[1], unpack(names))
local one = {}
for i, name in ipairs(names) do one[name] = tonumber(row[i] or 0) end
local function keep()
  local pairs_of = {}
  for _, name in ipairs(names) do
    pairs_of[#pairs_of + 1] = name
    pairs_of[#pairs_of + 1] = one[name]
  end
  redis.call('HSET', KEYS[1], unpack(pairs_of))
  redis.call('PEXPIRE', KEYS[1], 60000 + one.window + math.max(0, one['until'] - now))
end
"""
ADMIT: Final = (
    START
    + """
local sent, count = tonumber(ARGV[1]), tonumber(ARGV[2])
local granted, wait = 0, one['until'] - now
if wait > 0 then
  one.most = one.most + sent
elseif one.most == 0 then
  if now - one.start > 60000 then one.start, one.used = now, 0 end
  if now - one.recent_from > 1000 then one.recent_from, one.recent = now, 0 end
  one.used, one.recent = one.used + sent + count, one.recent + sent + count
  granted, wait = count, 0
else
  if now >= one.start + one.window then
    if one.start > 0 and one.used >= one.most then
      if one.rest > 0 then
        one.rest = one.rest - 1
      else
        if one.step > 1 then one.patience = 1 end
        one.most, one.step = one.most + one.step, one.step * 2
      end
    end
    one.start, one.used, one.denied = now, 0, 0
  end
  one.used = one.used + sent
  granted = math.max(0, math.min(count, one.most - one.used))
  one.used = one.used + granted
  wait = one.start + one.window - now
end
local before = one.denied
one.denied = before + count - granted
keep()
return {granted, wait, before, one.most, one.window}
"""
)
REFUSE: Final = (
    START
    + """
local ms = tonumber(ARGV[1])
if now < one['until'] then
  one.most = math.max(1, one.most - 1)
  one['until'] = math.max(one['until'], now + ms)
else
  local passed = one.used - 1
  if one.most > 0 then
    one.patience = math.min(one.patience * 2, 64)
    one.window = math.max(one.window, ms)
  else
    one.patience = 1
    one.window = math.max(ms, 1000)
    local since = now - one.start
    if since > one.window then
      passed = math.max(passed * one.window / since, one.recent - 1)
    end
  end
  one.most = math.max(1, math.floor(passed))
  one.step, one.rest = 1, one.patience
  one['until'] = now + ms
  one.start, one.used, one.denied = 0, 0, 0
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

    async def admit(self, model: str, sent: int, count: int) -> Admission:
        """Count `sent` requests that are on their way, and say which of `count` may be sent."""
        granted, wait, before, most, window = await self._run(ADMIT, model, sent, count)
        places = ((before + at) // max(1, most) for at in range(count - granted))
        later = (wait + min(place, FURTHEST) * window for place in places)
        waits = (0.0,) * int(granted) + tuple(float(ms) / 1_000 for ms in later)
        return Admission(waits, is_free=not most and granted == count)

    async def refuse(self, model: str, seconds: float) -> None:
        """Note that a server refused a request for so long."""
        await self._run(REFUSE, model, int(seconds * 1_000))

    async def _run(self, script: str, model: str, *arguments: int) -> Any:
        async with self._redis.using() as client:
            return await client.register_script(script)(keys=[self._prefix + model], args=arguments)
