# Writes OUTPUT with the version and, in a git checkout, the commit. Run at every build; touches the file only when
# something changed.
set(text "${VERSION}")
execute_process(COMMAND git describe --always --dirty --exclude=* WORKING_DIRECTORY ${SOURCE}
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE status)
if(status EQUAL 0 AND commit)
  set(text "${text}+${commit}")
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#include \"base/version.hh\"\n\nnamespace tl {\nconst char* const kVersion = \"${text}\";\n}\n")
