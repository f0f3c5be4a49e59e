// The operator as ADIOS2 sees it (its interface version 2). Every decision is made behind caesar.h.

#include "caesar.h"

#include <adios2/plugin/PluginOperatorInterface.h>

#include <dlfcn.h>

#include <stdexcept>
#include <string>

using adios2::DataType;
using adios2::Dims;
using adios2::Params;
using adios2::plugin::PluginOperatorInterface;

extern "C" int caesar_adios2_options(const char *lines, char *options, size_t capacity);
extern "C" int caesar_adios2_order(int type, size_t rank, size_t *shape, const void *data);

namespace
{

[[noreturn]] void Throw(const std::string &what)
{
    throw std::runtime_error("CaesarOperator: " + what);
}

// Wrong parameters end here, where the operator is made, while an exception still reaches the user.
std::string Options(const Params &parameters)
{
    std::string lines;
    for (const auto &parameter : parameters)
        lines += parameter.first + '=' + parameter.second + '\n';
    char options[128];
    if (caesar_adios2_options(lines.c_str(), options, sizeof options) != CAESAR_OK)
        Throw(caesar_message());
    return options;
}

// The type's number in caesar.h; -1 for those that ADIOS2 is to write plainly.
int Number(const DataType type)
{
    switch (type)
    {
    case DataType::Float:
        return CAESAR_FLOAT32;
    case DataType::Double:
        return CAESAR_FLOAT64;
    case DataType::FloatComplex:
        return CAESAR_COMPLEX64;
    case DataType::DoubleComplex:
        return CAESAR_COMPLEX128;
    default:
        return -1;
    }
}

class CaesarOperator : public PluginOperatorInterface
{
public:
    explicit CaesarOperator(const Params &parameters)
    : PluginOperatorInterface(parameters), m_Options(Options(parameters))
    {
    }

    // An exception here would end the simulation, so what cannot be had in less is stored as it is.
    size_t Operate(const char *dataIn, const Dims &, const Dims &blockCount, const DataType type,
                   char *bufferOut) override
    {
        Dims shape = blockCount;
        if (shape.size() > CAESAR_MAX_RANK)
            shape = {adios2::GetTotalSize(blockCount)};
        caesar_adios2_order(Number(type), shape.size(), shape.data(), dataIn);
        const size_t capacity = caesar_bound(Number(type), shape.size(), shape.data());
        for (const char *options : {m_Options.c_str(), "lossless"})
        {
            size_t size = 0;
            if (caesar_compress(options, Number(type), shape.size(), shape.data(), dataIn, bufferOut, capacity,
                                &size) == CAESAR_OK)
                return size;
        }
        Throw(caesar_message());
    }

    // ADIOS2 does not say how much room there is; a block whose checksum is right is as large as what was written.
    size_t InverseOperate(const char *bufferIn, const size_t sizeIn, char *dataOut) override
    {
        size_t bytes = 0;
        if (caesar_layout(bufferIn, sizeIn, &bytes, nullptr, nullptr, nullptr) != CAESAR_OK ||
            caesar_decompress(bufferIn, sizeIn, dataOut, bytes) != CAESAR_OK)
            Throw(m_Variable + caesar_message());
        return bytes;
    }

    bool IsDataTypeValid(const DataType type) const override { return Number(type) >= 0; }

    size_t GetEstimatedSize(const size_t elements, const size_t size, const size_t, const size_t *) const override
    {
        const size_t bytes = elements * size;
        return caesar_bound(CAESAR_UINT8, 1, &bytes);
    }

    void AddExtraParameters(const Params &parameters) override
    {
        const auto name = parameters.find("VariableName");
        m_Variable = name == parameters.end() ? "" : "variable " + name->second + ": ";
    }

private:
    const std::string m_Options;
    std::string m_Variable;
};

// Before 2.12, ADIOS2 expects an object of another layout and does not ask: it would call into the void. Only newer libraries have
// this function.
void RequireInterface(const void *caller)
{
    const char *function = "_ZNK6adios26plugin23PluginOperatorInterface16GetEstimatedSizeEmmmPKm";
    Dl_info module;
    if (dladdr(caller, &module) == 0)
        return;
    void *const library = dlopen(module.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    void *const found = dlsym(library ? library : RTLD_DEFAULT, function);
    if (library)
        dlclose(library);
    if (!found)
        Throw(std::string("the ADIOS2 in ") + module.dli_fname +
              " has an older operator interface; 2.12 or newer is needed, as a shared library");
}

} // namespace

extern "C" PluginOperatorInterface *caesar_operator_create(const Params &parameters)
{
    RequireInterface(__builtin_return_address(0));
    return new CaesarOperator(parameters);
}

extern "C" void caesar_operator_destroy(PluginOperatorInterface *object) { delete object; }
