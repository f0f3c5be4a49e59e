// Gray-Scott reaction and diffusion on a periodic cube, one brick per MPI rank, written with ADIOS2. Nothing in here knows of
// compression: which engine writes, and under which operator, stands in the XML file.
//
//   gray-scott CONFIG.xml OUTPUT.bp [EDGE [STEPS [EVERY]]]

#include <adios2.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#ifdef WITH_MPI
#include <mpi.h>
#endif

namespace
{

using Field = std::vector<double>;
using Extents = std::array<int, 3>;

// The ranks, in a periodic lattice; alone without MPI.
struct Ranks
{
    int rank = 0, count = 1;
    Extents lattice{1, 1, 1}, place{0, 0, 0};
#ifdef WITH_MPI
    MPI_Comm comm = MPI_COMM_NULL;

    Ranks()
    {
        MPI_Comm_size(MPI_COMM_WORLD, &count);
        lattice = {0, 0, 0};
        MPI_Dims_create(count, 3, lattice.data());
        const int periodic[3] = {1, 1, 1};
        MPI_Cart_create(MPI_COMM_WORLD, 3, lattice.data(), periodic, 0, &comm);
        MPI_Comm_rank(comm, &rank);
        MPI_Cart_coords(comm, rank, 3, place.data());
    }

    adios2::ADIOS Adios(const std::string &config) const { return adios2::ADIOS(config, comm); }

    // Sends a face up (+1) or down (-1) along an axis, and gives the one that comes from the other side.
    Field Shift(const Field &face, int axis, int direction) const
    {
        Field other(face.size());
        int from, to;
        MPI_Cart_shift(comm, axis, direction, &from, &to);
        MPI_Sendrecv(face.data(), static_cast<int>(face.size()), MPI_DOUBLE, to, 0, other.data(),
                     static_cast<int>(other.size()), MPI_DOUBLE, from, 0, comm, MPI_STATUS_IGNORE);
        return other;
    }
#else
    adios2::ADIOS Adios(const std::string &config) const { return adios2::ADIOS(config); }
    Field Shift(const Field &face, int, int) const { return face; }
#endif
};

// A rank's brick with a halo of one cell.
class Brick
{
public:
    Extents size, start;

    Brick(const Ranks &ranks, int edge) : m_Ranks(ranks)
    {
        for (int axis = 0; axis < 3; ++axis)
        {
            const int parts = ranks.lattice[axis], place = ranks.place[axis];
            start[axis] = edge * place / parts;
            size[axis] = edge * (place + 1) / parts - start[axis];
        }
        m_U.assign(Cells(), 1.0);
        m_V.assign(Cells(), 0.0);
        m_NextU = m_U;
        m_NextV = m_V;
        Seed(edge);
    }

    // One explicit Euler step.
    void Step()
    {
        Exchange(m_U);
        Exchange(m_V);
        const double diffusionU = 0.2, diffusionV = 0.1, feed = 0.02, kill = 0.048;
        const size_t line = size[2] + 2, plane = line * (size[1] + 2);
        for (int z = 1; z <= size[0]; ++z)
            for (int y = 1; y <= size[1]; ++y)
                for (size_t i = Index(z, y, 1), end = i + size[2]; i < end; ++i)
                {
                    const auto laplacian = [=](const Field &f) {
                        return (f[i - 1] + f[i + 1] + f[i - line] + f[i + line] + f[i - plane] + f[i + plane]) / 6 - f[i];
                    };
                    const double u = m_U[i], v = m_V[i], reaction = u * v * v;
                    m_NextU[i] = u + diffusionU * laplacian(m_U) - reaction + feed * (1 - u);
                    m_NextV[i] = v + diffusionV * laplacian(m_V) + reaction - (feed + kill) * v;
                }
        m_U.swap(m_NextU);
        m_V.swap(m_NextV);
    }

    Field U() const { return Inside(m_U); }
    Field V() const { return Inside(m_V); }

private:
    const Ranks &m_Ranks;
    Field m_U, m_V, m_NextU, m_NextV;

    size_t Cells() const { return size_t(size[0] + 2) * (size[1] + 2) * (size[2] + 2); }
    size_t Index(int z, int y, int x) const { return (size_t(z) * (size[1] + 2) + y) * (size[2] + 2) + x; }

    // Small cubes of V, at places that do not depend on how the domain is divided.
    void Seed(int edge)
    {
        const int side = 6;
        unsigned random = 1;
        const auto place = [&] { return static_cast<int>((random = random * 1664525u + 1013904223u) >> 8) % edge; };
        for (int n = std::max(1, edge * edge * edge / 65536); n > 0; --n)
        {
            const Extents corner{place(), place(), place()};
            for (int z = 0; z < size[0]; ++z)
                for (int y = 0; y < size[1]; ++y)
                    for (int x = 0; x < size[2]; ++x)
                    {
                        const Extents at{z + start[0], y + start[1], x + start[2]};
                        bool inside = true;
                        for (int axis = 0; axis < 3; ++axis)
                            inside = inside && (at[axis] - corner[axis] + edge) % edge < side;
                        if (inside)
                        {
                            m_U[Index(z + 1, y + 1, x + 1)] = 0.25;
                            m_V[Index(z + 1, y + 1, x + 1)] = 0.33;
                        }
                    }
        }
    }

    // The indices of a plane across `axis`.
    template <class Visit>
    void Face(int axis, int at, Visit visit) const
    {
        Extents low{1, 1, 1}, high = size;
        low[axis] = high[axis] = at;
        for (int z = low[0]; z <= high[0]; ++z)
            for (int y = low[1]; y <= high[1]; ++y)
                for (int x = low[2]; x <= high[2]; ++x)
                    visit(Index(z, y, x));
    }

    void Exchange(Field &field) const
    {
        for (int axis = 0; axis < 3; ++axis)
            for (int direction : {-1, 1})
            {
                Field face;
                Face(axis, direction > 0 ? size[axis] : 1, [&](size_t i) { face.push_back(field[i]); });
                face = m_Ranks.Shift(face, axis, direction);
                auto next = face.begin();
                Face(axis, direction > 0 ? 0 : size[axis] + 1, [&](size_t i) { field[i] = *next++; });
            }
    }

    Field Inside(const Field &field) const
    {
        Field values;
        values.reserve(size_t(size[0]) * size[1] * size[2]);
        for (int z = 1; z <= size[0]; ++z)
            for (int y = 1; y <= size[1]; ++y)
                values.insert(values.end(), &field[Index(z, y, 1)], &field[Index(z, y, size[2])] + 1);
        return values;
    }
};

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Bytes in a folder; 0 where there is none, as with a stream.
double Size(const char *folder)
{
    double bytes = 0;
    std::error_code none;
    for (const auto &entry : std::filesystem::directory_iterator(folder, none))
        bytes += static_cast<double>(entry.file_size());
    return bytes;
}

void Run(const char *config, const char *output, int edge, int steps, int every)
{
    const Ranks ranks;
    Brick brick(ranks, edge);
    adios2::ADIOS adios = ranks.Adios(config);
    adios2::IO io = adios.DeclareIO("gray-scott");
    const adios2::Dims shape(3, edge), start(brick.start.begin(), brick.start.end()), count(brick.size.begin(), brick.size.end());
    auto u = io.DefineVariable<double>("U", shape, start, count), v = io.DefineVariable<double>("V", shape, start, count);
    // What was spent before each output: seconds of every rank, bytes of the file.
    const adios2::Dims all{size_t(ranks.count)}, own{size_t(ranks.rank)}, one{1};
    auto computed = io.DefineVariable<double>("seconds computing", all, own, one);
    auto written = io.DefineVariable<double>("seconds writing", all, own, one);
    auto size = io.DefineVariable<double>("bytes", all, own, one);
    adios2::Engine writer = io.Open(output, adios2::Mode::Write);
    double computing = 0, writing = 0;
    for (int step = 0; step <= steps; ++step)
    {
        double since = Now();
        if (step > 0)
            brick.Step();
        computing += Now() - since;
        if (step % every != 0)
            continue;
        const double bytes = Size(output);
        since = Now();
        const Field insideU = brick.U(), insideV = brick.V();
        writer.BeginStep();
        writer.Put(u, insideU.data());
        writer.Put(v, insideV.data());
        writer.Put(computed, &computing);
        writer.Put(written, &writing);
        writer.Put(size, &bytes);
        writer.EndStep();
        writing += Now() - since;
    }
    writer.Close();
    if (ranks.rank == 0)
        std::printf("computing %.2f s, writing %.2f s\n", computing, writing);
}

} // namespace

int main(int argc, char **argv)
{
#ifdef WITH_MPI
    MPI_Init(&argc, &argv);
#endif
    const auto number = [&](int place, int otherwise) { return argc > place ? std::atoi(argv[place]) : otherwise; };
    int status = EXIT_FAILURE;
    if (argc < 3)
        std::fprintf(stderr, "usage: %s CONFIG.xml OUTPUT.bp [EDGE [STEPS [EVERY]]]\n", argv[0]);
    else
        try
        {
            Run(argv[1], argv[2], number(3, 128), number(4, 1000), number(5, 20));
            status = EXIT_SUCCESS;
        }
        catch (const std::exception &error)
        {
            std::fprintf(stderr, "gray-scott: %s\n", error.what());
        }
#ifdef WITH_MPI
    if (status != EXIT_SUCCESS)
        MPI_Abort(MPI_COMM_WORLD, status);
    MPI_Finalize();
#endif
    return status;
}
