-- Prelude of every script on the keyring. A key's record is JSON:
--   state, algorithm, published_at, due_at, activated_at, gone_at (ms), life (ms, of the tokens it signs), imported
--
-- next -> active -> retiring -> gone. Only `promote` makes a key active, and but for an emergency only `advance`
-- calls it, when the time that `schedule` set has come: never before the key was published long enough.

-- Records of this version, oldest first. What cannot be read was written by another version and is left alone.
local function read_ring(states)
  local ring = {}
  local flat = redis.call('HGETALL', states)
  for i = 1, #flat, 2 do
    local readable, record = pcall(cjson.decode, flat[i + 1])
    if readable and type(record) == 'table' and record.published_at then
      record.kid = flat[i]
      ring[#ring + 1] = record
    end
  end
  table.sort(ring, function(a, b) return a.published_at < b.published_at end)
  return ring
end

local function write_record(states, record)
  local kid = record.kid
  record.kid = nil
  redis.call('HSET', states, kid, cjson.encode(record))
  record.kid = kid
end

-- The first record for which a function is true.
local function find(ring, wanted)
  for _, record in ipairs(ring) do
    if wanted(record) then return record end
  end
  return nil
end

local function is_active(record) return record.state == 'active' end
local function is_due(record) return record.state == 'next' and record.due_at end
local function stands_by(record) return record.state == 'next' and not record.due_at end

local function count_published(ring)
  local count = 0
  for _, record in ipairs(ring) do
    if record.state ~= 'gone' then count = count + 1 end
  end
  return count
end

-- Says when a next key becomes active: when it was published long enough, and after those that are due before
-- it, so much later that every replica notices each.
local function schedule(ring, record, now, lead)
  local due_at = math.max(now, record.published_at + lead)
  for _, other in ipairs(ring) do
    if is_due(other) then due_at = math.max(due_at, other.due_at + 5000) end
  end
  record.due_at = due_at
end

-- Makes a key active; the one before stays published for as long as a token of it can live.
local function promote(states, ring, record, now, life, margin)
  local active = find(ring, is_active)
  if active then
    active.state = 'retiring'
    active.gone_at = now + math.max(active.life or 0, life) + margin
    write_record(states, active)
  end
  record.state = 'active'
  record.activated_at = now
  record.due_at = nil
  record.life = life
  write_record(states, record)
end

-- Takes a key out of the ring for good. An imported one is remembered, so that its PEM is not taken up again.
local function remove(sealed, states, record, now)
  redis.call('HDEL', sealed, record.kid)
  if record.imported or record.revoked then
    record.state = 'gone'
    record.gone_at = now
    record.due_at = nil
    write_record(states, record)
  else
    redis.call('HDEL', states, record.kid)
    record.state = 'gone'
  end
end

-- Makes every transition whose time has come, in order. Returns whether there was one.
local function advance(sealed, states, ring, now, life, margin)
  local changed = false
  while true do
    local first = nil
    for _, record in ipairs(ring) do
      if is_due(record) and record.due_at <= now and (not first or record.due_at < first.due_at) then
        first = record
      end
    end
    if not first then break end
    promote(states, ring, first, now, life, margin)
    changed = true
  end
  for _, record in ipairs(ring) do
    if record.state == 'retiring' and record.gone_at <= now then
      remove(sealed, states, record, now)
      changed = true
    end
  end
  return changed
end

-- Tells every mcp_server that the published keys changed. A hint: it saves time, nothing depends on it.
local function tell(channel)
  redis.call('PUBLISH', channel, 'keys changed')
end
