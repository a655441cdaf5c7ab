# What every target of the project is compiled with: language, warnings, hardening, sanitizers.
add_library(vmstream_build INTERFACE)
target_compile_features(vmstream_build INTERFACE cxx_std_20)
target_compile_options(vmstream_build INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
  $<$<BOOL:${VMSTREAM_WERROR}>:-Werror>
  # g++ 12 sees overlaps in std::string that are not there (GCC bug 105651)
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
target_compile_definitions(vmstream_build INTERFACE _GLIBCXX_ASSERTIONS)

if(VMSTREAM_SANITIZE)
  target_compile_options(vmstream_build INTERFACE
    -fsanitize=${VMSTREAM_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(vmstream_build INTERFACE -fsanitize=${VMSTREAM_SANITIZE})
else()
  target_compile_options(vmstream_build INTERFACE
    -fstack-protector-strong $<$<CONFIG:Release,RelWithDebInfo>:-U_FORTIFY_SOURCE>
    $<$<CONFIG:Release,RelWithDebInfo>:-D_FORTIFY_SOURCE=2>)
  target_link_options(vmstream_build INTERFACE -Wl,-z,relro,-z,now)
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
