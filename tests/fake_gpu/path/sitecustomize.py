"""In every process with this folder on its path: when torch is imported, it claims the card."""

import importlib.abc
import importlib.util
import sys


class _Finder(importlib.abc.MetaPathFinder):
    busy = False

    def find_spec(self, name, path=None, target=None):
        if name != "torch" or self.busy:
            return None
        self.busy = True
        try:
            spec = importlib.util.find_spec("torch")
        finally:
            self.busy = False
        if spec is None:
            return None
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            import fake_torch_cuda

            fake_torch_cuda.install()

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, _Finder())
