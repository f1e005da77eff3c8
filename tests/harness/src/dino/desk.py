#!/usr/bin/python3
"""The desktop of a headless Dino: keeps what it notifies of, and presses its buttons.

desk.py SOCKET DATABASE PROGRAM. PROGRAM is the name under which Dino is known to the accessibility bus. Each line to the socket is an object with "do", each answer one with "ok" and what was asked for:

  ready                      Dino has a window
  open, jid                  shows the conversation with somebody
  call, media                presses "audio" or "video" of the button that calls in the open conversation
  rings                      whether somebody calls
  answer, with               presses "accept" or "reject" of the last notification of a call
  press, button              presses "microphone", "camera" or "hang up" in the window of the call
  invite, jid                chooses somebody to come to the call
  labels                     what is written in the window of the call
"""
import json
import os
import socket
import sqlite3
import sys
import warnings

warnings.simplefilter("ignore")
import dbus
import dbus.service
import gi
from dbus.mainloop.glib import DBusGMainLoop

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, Gio, GLib

NOTIFICATIONS = "org.freedesktop.Notifications"
BUTTONS = ["microphone", "camera", "hang up"]
# Newer versions of AT-SPI call a push button "button".
BUTTON_ROLES = ("push button", "button")


class Notifications(dbus.service.Object):
    """What a desktop shows in its corner."""

    def __init__(self, bus):
        super().__init__(bus, "/org/freedesktop/Notifications")
        self.shown, self.count = {}, 0

    @dbus.service.method(NOTIFICATIONS, in_signature="susssasa{sv}i", out_signature="u")
    def Notify(self, _app, replaces, _icon, summary, body, actions, _hints, _timeout):
        number = int(replaces)
        if number == 0:
            self.count += 1
            number = self.count
        self.shown[number] = (str(summary), str(body), [str(action) for action in actions][::2])
        return dbus.UInt32(number)

    @dbus.service.method(NOTIFICATIONS, in_signature="u")
    def CloseNotification(self, number):
        self.shown.pop(int(number), None)
        self.NotificationClosed(number, 3)

    @dbus.service.method(NOTIFICATIONS, out_signature="as")
    def GetCapabilities(self):
        return ["actions", "body", "persistence"]

    @dbus.service.method(NOTIFICATIONS, out_signature="ssss")
    def GetServerInformation(self):
        return ("desk", "tests", "1", "1.2")

    @dbus.service.signal(NOTIFICATIONS, signature="us")
    def ActionInvoked(self, number, action):
        pass

    @dbus.service.signal(NOTIFICATIONS, signature="uu")
    def NotificationClosed(self, number, reason):
        pass

    def calls(self):
        """Those about calls that can be answered, the newest first."""
        return [
            (number, body, actions)
            for number, (_, body, actions) in sorted(self.shown.items(), reverse=True)
            if "accept" in actions and "ncoming" in body
        ]

    def press(self, action):
        """The newest call's."""
        for number, body, _ in self.calls()[:1]:
            self.ActionInvoked(number, action)
            del self.shown[number]
            self.NotificationClosed(number, 2)
            return body
        return None


def widgets(parent):
    """All below it, as far as they answer."""
    yield parent
    try:
        count = parent.get_child_count()
    except GLib.Error:
        return
    for index in range(count):
        try:
            child = parent.get_child_at_index(index)
        except GLib.Error:
            continue
        if child:
            yield from widgets(child)


def windows(program):
    desktop = Atspi.get_desktop(0)
    programs = [desktop.get_child_at_index(index) for index in range(desktop.get_child_count())]
    dino = [found for found in programs if found and found.get_name() == program]
    return [found.get_child_at_index(index) for found in dino for index in range(found.get_child_count())]


def actions(widget):
    try:
        face = widget.get_action_iface()
        return [face.get_action_name(index) for index in range(face.get_n_actions())] if face else []
    except GLib.Error:
        return []


def press(widget, action="click"):
    widget.get_action_iface().do_action(actions(widget).index(action))


def call_window(program):
    """The newest. Dino 0.5 names none of its windows; the first is the main one."""
    for window in reversed(windows(program)[1:]):
        if window.get_name() in ("", "DinoUiCallWindow") or window.get_name().startswith("Call"):
            return window
    return None


def is_nameless_button(widget):
    """GTK before 4.14 gives a button without a name that of its class."""
    nameless = widget.get_name() == "GtkButton" or (widget.get_name() == "" and widget.get_role_name() in BUTTON_ROLES)
    return nameless and "click" in actions(widget)


def invite_buttons(window):
    return [widget for widget in widgets(window) if widget.get_role_name() in BUTTON_ROLES and widget.get_name() == "Invite"]


def choose(program, jid):
    """Opens the list of contacts, or chooses from it and presses its button if it is open."""
    for window in windows(program):
        buttons = invite_buttons(window)
        # The main window has a list of conversations with the same names: only the list beside the button counts.
        lists = [widget for widget in widgets(window) if widget.get_role_name() == "list"] if buttons else []
        for contacts in lists:
            rows = [contacts.get_child_at_index(index) for index in range(contacts.get_child_count())]
            for index, row in enumerate(rows):
                if any(jid == widget.get_name() for widget in widgets(row)):
                    contacts.get_selection_iface().select_child(index)
                    press(buttons[0])
                    return True
    window = call_window(program)
    if window:
        press(next(widget for widget in widgets(window) if widget.get_role_name() in BUTTON_ROLES))
    return False


def find_conversation(database, jid):
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as known:
        query = "select c.id from conversation c join jid j on j.id = c.jid_id where j.bare_jid = ?"
        row = known.execute(query, (jid,)).fetchone()
    return row and row[0]


def open_conversation(number):
    bus = Gio.bus_get_sync(Gio.BusType.SESSION)
    arguments = GLib.Variant("(sava{sv})", ("open-conversation", [GLib.Variant("i", number)], {}))
    bus.call_sync("im.dino.Dino", "/im/dino/Dino", "org.gtk.Actions", "Activate", arguments, None, 0, 5000, None)


def obey(line, notifications, database, program):
    order = json.loads(line)
    match order["do"]:
        case "ready":
            return {"ok": any(window.get_child_count() for window in windows(program))}
        case "open":
            number = find_conversation(database, order["jid"])
            if number is not None:
                open_conversation(number)
            return {"ok": number is not None}
        case "call":
            wanted = "call." + order["media"]
            buttons = [widget for window in windows(program) for widget in widgets(window) if wanted in actions(widget)]
            if buttons:
                press(buttons[0], wanted)
            return {"ok": bool(buttons)}
        case "rings":
            return {"ok": True, "rings": bool(notifications.calls())}
        case "answer":
            body = notifications.press(order["with"])
            return {"ok": body is not None, "body": body}
        case "press":
            window = call_window(program)
            if not window:
                return {"ok": False}
            # They have no names; the last three without one are these.
            nameless = [widget for widget in widgets(window) if is_nameless_button(widget)]
            press(nameless[-3:][BUTTONS.index(order["button"])])
            return {"ok": True}
        case "invite":
            return {"ok": choose(program, order["jid"])}
        case "labels":
            window = call_window(program)
            labels = [widget for widget in widgets(window) if widget.get_role_name() == "label"] if window else []
            return {"ok": window is not None, "labels": [label.get_name() for label in labels]}
    return {"ok": False, "why": "unknown order"}


def main():
    place, database, program = sys.argv[1:]
    DBusGMainLoop(set_as_default=True)
    bus = dbus.SessionBus()
    _name = dbus.service.BusName(NOTIFICATIONS, bus)
    notifications = Notifications(bus)
    door = socket.socket(socket.AF_UNIX)
    door.bind(place)
    door.listen()

    def answer(connection, _condition):
        line = connection.recv(65536)
        if not line:
            connection.close()
            return False
        try:
            said = obey(line, notifications, database, program)
        except Exception as why:  # Report every failure to the caller.
            said = {"ok": False, "why": repr(why)}
        connection.sendall(json.dumps(said).encode() + b"\n")
        return True

    def enter(_door, _condition):
        connection, _ = door.accept()
        GLib.io_add_watch(connection, GLib.IO_IN | GLib.IO_HUP, answer)
        return True

    GLib.io_add_watch(door, GLib.IO_IN, enter)
    GLib.MainLoop().run()


main()
