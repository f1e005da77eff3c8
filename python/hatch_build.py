"""Puts the program into the wheel, which is then one for this kind of machine. MUJI_CALL says where it was built, and
MUJI_NOTICES where the notices of all that it is built of are."""

import os
import sysconfig

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ProgramHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict) -> None:
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-" + sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["force_include"][os.environ["MUJI_NOTICES"]] = "muji/THIRD-PARTY"
        build_data["shared_scripts"] = {os.environ["MUJI_CALL"]: "muji-call"}
