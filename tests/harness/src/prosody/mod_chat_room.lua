-- A chat room that is there from the start: for members, who see each other's JIDs, as Dino wants it for calls. Each has it among its
-- bookmarks (XEP-0402) and so enters it with its client. Options of the component: chat_room (a localpart), chat_members, chat_domain.
local st = require "util.stanza";

local rooms = module:depends("muc");
local jid = module:get_option_string("chat_room") .. "@" .. module.host;
local members = module:get_option_array("chat_members");
local domain = module:get_option_string("chat_domain");

module:hook_global("server-started", function ()
	local room = rooms.get_room_from_jid(jid) or assert(rooms.create_room(jid)); -- A server that is started again has it.
	room:set_members_only(true);
	room:set_whois("anyone");
	room:set_persistent(true);
	for _, name in ipairs(members) do
		assert(room:set_affiliation(true, name .. "@" .. domain, "member"));
		local bookmark = st.stanza("item", { xmlns = "http://jabber.org/protocol/pubsub", id = jid })
			:tag("conference", { xmlns = "urn:xmpp:bookmarks:1", autojoin = "true" }):text_tag("nick", name);
		local service = prosody.hosts[domain].modules.pep.get_pep_service(name);
		assert(service:publish("urn:xmpp:bookmarks:1", true, jid, bookmark, {
			persist_items = true, max_items = "max", send_last_published_item = "never", access_model = "whitelist",
		}));
	end
end);
