#!/usr/bin/python3
"""A stand-in for xdg-desktop-portal: the part that shares screens, with a file in place of the user.

portal.py FOLDER. What is called goes into FOLDER/calls, an object of JSON a line. FOLDER/answer says what comes of the dialog:

  consent    the PipeWire node "screen" is shared
  decline    the user closes the dialog
  fail       the dialog cannot be shown
  silence    the user is not there
  nothing    no stream is named
  nowhere    a node is named that does not exist

FOLDER/end ends what is shared, as the desktop's own panel does.
"""
import json
import os
import socket
import subprocess
import sys

import dbus
import dbus.lowlevel
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

FOLDER = sys.argv[1]
PATH = "/org/freedesktop/portal/desktop"
PORTAL = "org.freedesktop.portal"
RESPONSES = {"consent": 0, "nothing": 0, "nowhere": 0, "decline": 1, "fail": 2}
sessions = {}


def told(**call):
    with open(f"{FOLDER}/calls", "a", encoding="utf-8") as calls:
        print(json.dumps(call, default=str), file=calls)


def signal(to, path, interface, member, signature, *arguments):
    message = dbus.lowlevel.SignalMessage(path, f"{PORTAL}.{interface}", member)
    message.set_destination(to)
    message.append(*arguments, signature=signature)
    bus.send_message(message)


def path(kind, sender, token):
    return f"{PATH}/{kind}/{sender[1:].replace('.', '_')}/{token}"


class Request(dbus.service.Object):
    """It answers once the call that made it has returned."""

    def __init__(self, sender, options, response, results):
        self.path = path("request", sender, options["handle_token"])
        super().__init__(bus, self.path)
        if response is not None:
            GLib.idle_add(self.respond, sender, response, results)

    def respond(self, sender, response, results):
        signal(sender, self.path, "Request", "Response", "ua{sv}", dbus.UInt32(response), dbus.Dictionary(results, "sv"))
        self.remove_from_connection()

    @dbus.service.method(f"{PORTAL}.Request")
    def Close(self):
        told(called="Request.Close")
        self.remove_from_connection()


class Session(dbus.service.Object):
    def __init__(self, sender, token):
        self.sender = sender
        self.path = path("session", sender, token)
        super().__init__(bus, self.path)
        sessions[self.path] = self

    @dbus.service.method(f"{PORTAL}.Session")
    def Close(self):
        told(called="Session.Close")
        self.end()

    def end(self):
        sessions.pop(self.path, None)
        self.remove_from_connection()


class Portal(dbus.service.Object):
    tokens = 0

    @dbus.service.method("org.freedesktop.DBus.Properties", "s", "a{sv}")
    def GetAll(self, interface):
        return {name: dbus.UInt32(4 if name == "version" else 3) for name in ("version", "AvailableSourceTypes", "AvailableCursorModes")}

    @dbus.service.method(f"{PORTAL}.ScreenCast", "a{sv}", "o", sender_keyword="sender")
    def CreateSession(self, options, sender):
        told(called="CreateSession")
        session = Session(sender, options["session_handle_token"])
        return Request(sender, options, 0, {"session_handle": session.path}).path

    @dbus.service.method(f"{PORTAL}.ScreenCast", "oa{sv}", "o", sender_keyword="sender")
    def SelectSources(self, session, options, sender):
        told(called="SelectSources", **{name: value for name, value in options.items() if name != "handle_token"})
        return Request(sender, options, 0, {}).path

    @dbus.service.method(f"{PORTAL}.ScreenCast", "osa{sv}", "o", sender_keyword="sender")
    def Start(self, session, parent, options, sender):
        with open(f"{FOLDER}/answer", encoding="utf-8") as file:
            answer = file.read().strip()
        told(called="Start", answer=answer)
        nodes = {"consent": [node()], "nowhere": [987_654]}.get(answer, [])
        streams = [dbus.Struct((dbus.UInt32(node), dbus.Dictionary({}, "sv"))) for node in nodes]
        Portal.tokens += 1
        results = {"streams": dbus.Array(streams, "(ua{sv})"), "restore_token": f"token {Portal.tokens}"}
        return Request(sender, options, RESPONSES.get(answer), results).path

    @dbus.service.method(f"{PORTAL}.ScreenCast", "oa{sv}", "h")
    def OpenPipeWireRemote(self, session, options):
        told(called="OpenPipeWireRemote")
        with socket.socket(socket.AF_UNIX) as remote:
            remote.connect(os.environ["XDG_RUNTIME_DIR"] + "/pipewire-0")
            return dbus.types.UnixFd(remote)


def node():
    for thing in json.loads(subprocess.check_output("pw-dump")):
        # A client may have that property too.
        if thing["type"].endswith(":Node") and thing["info"]["props"].get("node.name") == "screen":
            return thing["id"]
    raise LookupError("nothing is on the screen")


def look():
    if os.path.exists(f"{FOLDER}/end"):
        os.remove(f"{FOLDER}/end")
        for session in list(sessions.values()):
            signal(session.sender, session.path, "Session", "Closed", "a{sv}", dbus.Dictionary({}, "sv"))
            session.end()
    return True


DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
portal = Portal(bus, PATH)
name = dbus.service.BusName(f"{PORTAL}.Desktop", bus)
GLib.timeout_add(20, look)
GLib.MainLoop().run()
