"""Prints the fields with which twine would upload each file of a folder, one JSON object a line. usage: python forms.py
FOLDER
"""

import json
import pathlib
import sys

from twine import exceptions, package, repository

for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        fields = package.PackageFile.from_filename(str(path), None).metadata_dictionary()
        pairs = repository.Repository._convert_metadata_to_list_of_tuples(fields)
        print(json.dumps({"file": path.name, "fields": pairs}))
    except exceptions.InvalidDistribution as error:
        print(json.dumps({"file": path.name, "refused": str(error)}))
