execute_process(COMMAND ${BPFTOOL} gen skeleton ${OBJECT} name ${NAME}
                OUTPUT_FILE ${OUTPUT} RESULT_VARIABLE status ERROR_VARIABLE message)
if(NOT status EQUAL 0)
  file(REMOVE ${OUTPUT})
  message(FATAL_ERROR "bpftool gen skeleton ${OBJECT}: ${message}")
endif()
