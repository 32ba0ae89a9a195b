#!/usr/bin/env python3
"""What `cmake --install` puts in place is enough for a program outside: by pkg-config and by
find_package, against the shared and the static library. Only the public ABI is exported."""
import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.abspath(__file__ + "/../../../..")
BUILD = os.environ.get("SITEWIRE_BUILD", os.path.join(ROOT, "build"))

PROGRAM = """
#include <sitewire/referential.h>
#include <sitewire/rpc.h>
#include <stdio.h>
int main(void)
{
    sw_client *client;
    sw_error error;
    sw_client_options options = {.size = sizeof(options), .retries = UINT32_MAX};
    Sw__GetWebsiteRequest request = SW__GET_WEBSITE_REQUEST__INIT;
    if (sw_client_open("ipc:///nonexistent/socket", &options, &client, &error) != SW_OK)
        return 1;
    request.code = (char *)"x";
    sw_code code = sw_get_website(client, &request, NULL, NULL, &error);
    printf("%s\\n", sw_code_name(code));
    sw_client_close(&client);
    return 0;
}
"""

LISTS = """
cmake_minimum_required(VERSION 3.20)
project(outside C)
find_package(sitewire 0.1 REQUIRED)
add_executable(shared program.c)
target_link_libraries(shared sitewire::sitewire)
add_executable(static program.c)
target_link_libraries(static sitewire::static)
"""


def run(*command, **more):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if result.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {result.stdout}")
    return result.stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="sw-install-")
        cls.prefix = os.path.join(cls.folder, "prefix")
        run("cmake", "--install", BUILD, "--prefix", cls.prefix)
        with open(os.path.join(cls.folder, "program.c"), "w") as file:
            file.write(PROGRAM)
        with open(os.path.join(cls.folder, "CMakeLists.txt"), "w") as file:
            file.write(LISTS)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def find(self, name):
        for folder, _, names in os.walk(self.prefix):
            if name in names:
                return os.path.join(folder, name)
        self.fail(f"{name} is not installed")

    def test_pkg_config(self):
        libraries = os.path.dirname(self.find("libsitewire.so"))
        environment = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(self.find("sitewire.pc")))
        flags = run("pkg-config", "--cflags", "--libs", "sitewire", env=environment).split()
        program = os.path.join(self.folder, "program")
        run("cc", "-Wall", "-Wextra", "-Werror", "-o", program, os.path.join(self.folder, "program.c"), *flags)
        self.assertEqual(run(program, env=dict(os.environ, LD_LIBRARY_PATH=libraries)), "UNAVAILABLE\n")

    def test_cmake(self):
        build = os.path.join(self.folder, "build")
        run("cmake", "-G", "Ninja", "-S", self.folder, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("cmake", "--build", build)
        for name in ("shared", "static"):
            self.assertEqual(run(os.path.join(build, name)), "UNAVAILABLE\n")

    def test_cxx(self):
        program = os.path.join(self.folder, "headers.cc")
        with open(program, "w") as file:
            file.write("#include <sitewire/watch.h>\n#include <sitewire/status.h>\n"
                       "int main() { return sw_code_name(SW_OK)[0] == 'O' ? 0 : 1; }\n")
        libraries = os.path.dirname(self.find("libsitewire.so"))
        run("c++", "-o", program[:-3], program, f"-I{self.prefix}/include", f"-L{libraries}", "-lsitewire")
        run(program[:-3], env=dict(os.environ, LD_LIBRARY_PATH=libraries))

    def test_exports(self):
        symbols = [line.split()[-1] for line in run("nm", "-D", "--defined-only",
                                                    self.find("libsitewire.so")).splitlines()]
        allowed = ("sw_client_", "sw_code_", "sw_watch_", "sw__", "google__protobuf__timestamp__",
                   "google__protobuf__field_mask__", "SITEWIRE_")
        self.assertEqual([name for name in symbols if not name.startswith(allowed)], [])
        self.assertTrue(all("@@SITEWIRE_0" in name for name in symbols if name.startswith("sw_client_")))

    def test_binaries(self):
        for name in os.listdir(os.path.join(BUILD, "bin")):
            self.assertTrue(os.access(self.find(name), os.X_OK))


if __name__ == "__main__":
    unittest.main()
