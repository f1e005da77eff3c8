-- Writes every stanza that a client sends or receives, with the time in seconds, into the file that the option wire names: what was really
-- said, whatever a client says of itself.
module:set_global();
local filters = require "util.filters";
local now = require "util.time".now;

local file = assert(io.open(module:get_option_string("wire"), "a"));
file:setvbuf("line");
local start = now();
file:write("<trace>\n");

local function writer(direction)
	return function (stanza, session)
		if type(stanza) == "table" and session.full_jid then
			file:write(("<stanza t='%.3f' dir='%s' client='%s'>%s</stanza>\n")
				:format(now() - start, direction, (session.full_jid:gsub("[<&']", "")), (tostring(stanza):gsub("\n", "&#10;"))));
		end
		return stanza;
	end
end
local heard, said = writer("C&gt;S"), writer("S&gt;C");

filters.add_filter_hook(function (session)
	if session.type == "c2s" or session.type == "c2s_unauthed" then
		filters.add_filter(session, "stanzas/in", heard, -10000);
		filters.add_filter(session, "stanzas/out", said, 10000);
	end
end);
